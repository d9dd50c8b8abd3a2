{#
  The CTE `first_used`: answers whose response_id no answer of an earlier day has used, as far back as
  int_click_log_events_judged looks. Within the days of `answers`, judged_answers decides. Of answers later than the
  run's day it may keep some that were used before: they are no part of what the run builds.

  answers: name of a CTE with columns of stg_click_log_answers, and day.
#}
{% macro first_used(answers) -%}
used_before as (

    -- only ids, and only those in question: the days before are many, and the run's own may be large
    select
        delivered_on,
        response_id,
        {{ day_of('ts') }} as day
    from {{ ref('stg_click_log_answers') }}
    where
        {{ delivered_between(answer_days() | int + 2, click_log('lateness_days')) }}
        {%- if var('day', none) is not none %}
        and {{ day_of('ts') }} < date '{{ var('day') | string | replace("'", "''") }}'
        {%- endif %}
        and response_id in (select {{ answers }}.response_id from {{ answers }})

),

first_used as (

    select {{ answers }}.*
    from {{ answers }}
    anti join used_before
        on
            {{ answers }}.response_id = used_before.response_id
            and {{ answers }}.day > used_before.day
            and used_before.delivered_on >= {{ answers }}.delivered_on - {{ answer_days() }}

)
{%- endmacro %}
