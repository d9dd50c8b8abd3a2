{# Rows that are also in `to`, by the values of `columns`; nulls are in no other table. #}
{% test absent_from(model, to, columns) %}

select model_rows.*
from (select * from {{ model }}) as model_rows
semi join {{ to }} as others using ({{ columns | join(', ') }})

{% endtest %}
