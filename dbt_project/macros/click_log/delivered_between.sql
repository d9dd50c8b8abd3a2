{#
  Deliveries that can matter for the run's day, as a boolean expression on `delivered_on`; `true` when the run names no
  day. It is a bound on what is read, never a rule: rules compare times of events.

  before, after: days before and after the day.
#}
{% macro delivered_between(before, after) -%}
    {%- set day = var('day', none) -%}
    {%- if day is none -%}
        true
    {%- else -%}
        delivered_on between date '{{ day | string | replace("'", "''") }}' - {{ before }}
        and date '{{ day | string | replace("'", "''") }}' + {{ after }}
    {%- endif -%}
{%- endmacro %}

{# Days of delivery in which clicks (or conversions) on a day's answers can come. #}
{% macro click_days() -%}
    {{ ((click_log('attribution_hours') + 23) // 24) | int + click_log('lateness_days') + 1 }}
{%- endmacro %}

{% macro conversion_days() -%}
    {{ click_log('conversion_days') + click_log('lateness_days') + 1 }}
{%- endmacro %}

{# Days of delivery before that of an event in which its answer, and all that is about the same answer, can have come. #}
{% macro answer_days() -%}
    {{ click_log('conversion_days') + 2 * click_log('lateness_days') + 2 }}
{%- endmacro %}
