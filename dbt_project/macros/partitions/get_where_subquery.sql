{#
  dbt's own macro, with one addition: a name in place of a condition restricts a data test to the run's partition, so that
  rows of others can't fail it. `__this_partition__` is an arm and iteration, `__this_simulated_partition__` the same but
  for the arm that is fed by the click log, whose questions are on nobody's list; `__this_day__` is a day of real logs,
  `__this_delivery__` what was delivered on it.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where == '__this_partition__' -%}
        {%- set where = partition_predicate() -%}
    {%- elif where == '__this_simulated_partition__' -%}
        {%- set where = partition_predicate() ~ " and arm <> 'production'" -%}
    {%- elif where == '__this_day__' -%}
        {%- set where = partition_predicate(['day']) -%}
    {%- elif where == '__this_delivery__' -%}
        {%- set where = delivered_between(0, 0) -%}
    {%- endif -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where }}) as tested_rows
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
