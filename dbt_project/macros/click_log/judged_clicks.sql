{#
  The CTE `judged_clicks`: clicks with a rejection_reason, null for the one that counts: the first of an ad in an answer,
  within the attribution window.

  clicks: name of a CTE with the columns of stg_click_log_clicks.
  answers: name of a CTE with response_id, inserted_ad_ids, ts of the answers that count.
#}
{% macro judged_clicks(clicks, answers) -%}
checked_clicks as (

    select
        {{ clicks }}.*,
        {{ answers }}.ts as answered_at,
        case
            {{ reference_rejection(clicks, answers) }}
            when {{ clicks }}.ts < {{ answers }}.ts - to_seconds({{ click_log('clock_skew_seconds') }}) then 'before_answer'
            when {{ clicks }}.ts > {{ answers }}.ts + to_hours({{ click_log('attribution_hours') }}) then 'outside_window'
        end as rejection_reason
    from {{ clicks }}
    left join {{ answers }} on {{ clicks }}.response_id = {{ answers }}.response_id

),

clicks_once_an_event as (

    {{ reject_duplicates(
        'checked_clicks', ['event_id'], 'delivered_on, file, line', 'duplicate_event_id', keys=[]
    ) }}

),

judged_clicks as (

    {{ reject_duplicates('clicks_once_an_event', ['response_id', 'ad_id'], 'ts, event_id', 'repeated_click', keys=[]) }}

)
{%- endmacro %}
