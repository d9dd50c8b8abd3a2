{# Rows in which one of `columns` is null: one query, and one check in the UI, for all of them. #}
{% test no_nulls(model, columns) %}

select *
from {{ model }}
where {{ columns | join(' is null or ') }} is null

{% endtest %}
