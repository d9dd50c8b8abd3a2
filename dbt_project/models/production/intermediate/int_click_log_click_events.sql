with answers as (

    select
        *,
        null::varchar as rejection_reason
    from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

clicks as (

    select * from {{ ref('stg_click_log_clicks') }}
    where {{ delivered_between(1, click_days()) }}

),

{{ judged_clicks('clicks', 'answers') }},

usable as (

    select
        {{ day_of('answered_at') }} as day,
        response_id,
        ad_id,
        event_id,
        rejection_reason is not null as is_repeated,
        reason,
        (epoch_us(ts) - epoch_us(answered_at)) / 1e6 as seconds_to_click,
        ts
    from judged_clicks
    where rejection_reason is null or rejection_reason = 'repeated_click'

)

select * from usable
