{# Rows for which `expression` is not true; an invariant between the columns of one row. #}
{% test expression_holds(model, expression) %}

select *
from {{ model }}
where ({{ expression }}) is not true

{% endtest %}
