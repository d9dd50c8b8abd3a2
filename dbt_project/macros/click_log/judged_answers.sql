{#
  The CTE `judged`: answers with a rejection_reason, null for the one that counts. Of events with one id the first that
  was delivered counts, of answers with one response_id the earliest.

  answers: name of a CTE with columns of stg_click_log_answers.
#}
{% macro judged_answers(answers) -%}
unjudged as (

    select
        *,
        null::varchar as rejection_reason
    from {{ answers }}

),

once_an_event as (

    {{ reject_duplicates('unjudged', ['event_id'], 'delivered_on, file, line', 'duplicate_event_id', keys=[]) }}

),

judged as (

    {{ reject_duplicates('once_an_event', ['response_id'], 'ts, event_id', 'duplicate_response_id', keys=[]) }}

)
{%- endmacro %}
