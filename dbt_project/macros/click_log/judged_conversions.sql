{#
  The CTE `judged_conversions`: conversions with a rejection_reason, null for those that count: each one that follows a
  click that counts, within its window.

  conversions: name of a CTE with the columns of stg_click_log_conversions.
  answers: name of a CTE with response_id, inserted_ad_ids, ts of the answers that count.
  clicks: name of a CTE with response_id and ad_id of the clicks that count.
#}
{% macro judged_conversions(conversions, answers, clicks) -%}
checked_conversions as (

    select
        {{ conversions }}.*,
        case
            {{ reference_rejection(conversions, answers) }}
            when {{ conversions }}.ts < {{ answers }}.ts - to_seconds({{ click_log('clock_skew_seconds') }})
                then 'before_answer'
            when {{ conversions }}.ts > {{ answers }}.ts + to_days({{ click_log('conversion_days') }})
                then 'outside_window'
            when {{ clicks }}.response_id is null then 'conversion_without_click'
        end as rejection_reason
    from {{ conversions }}
    left join {{ answers }} on {{ conversions }}.response_id = {{ answers }}.response_id
    left join {{ clicks }}
        on
            {{ conversions }}.response_id = {{ clicks }}.response_id
            and {{ conversions }}.ad_id = {{ clicks }}.ad_id

),

judged_conversions as (

    {{ reject_duplicates(
        'checked_conversions', ['event_id'], 'delivered_on, file, line', 'duplicate_event_id', keys=[]
    ) }}

)
{%- endmacro %}
