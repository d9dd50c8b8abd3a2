with answers as (

    select
        *,
        null::varchar as rejection_reason
    from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

clicks as (

    select * from {{ ref('int_click_log_clicks') }}
    where {{ partition_predicate(['day']) }}

),

conversions as (

    select * from {{ ref('stg_click_log_conversions') }}
    where {{ delivered_between(1, conversion_days()) }}

),

{{ judged_conversions('conversions', 'answers', 'clicks') }},

accepted as (

    select
        clicks.day,
        judged_conversions.response_id,
        judged_conversions.ad_id,
        count(*) as conversions,
        round(sum(judged_conversions.value), 6) as conversion_value
    from judged_conversions
    inner join clicks
        on
            judged_conversions.response_id = clicks.response_id
            and judged_conversions.ad_id = clicks.ad_id
    where judged_conversions.rejection_reason is null
    group by clicks.day, judged_conversions.response_id, judged_conversions.ad_id

)

select * from accepted
