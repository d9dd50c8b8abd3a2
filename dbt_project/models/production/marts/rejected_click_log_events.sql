with unusable as (

    select * from {{ ref('stg_click_log_rejections') }}
    where {{ delivered_between(0, 0) }}

),

judged as (

    select * from {{ ref('int_click_log_events_judged') }}
    where rejection_reason is not null and {{ partition_predicate(['day']) }}

),

rejected as (

    select
        delivered_on as day,
        file,
        line,
        event_type,
        event_id,
        response_id,
        ad_id,
        ts,
        rejection_reason,
        detail,
        event
    from unusable

    union all

    select
        day,
        file,
        line,
        event_type,
        event_id,
        response_id,
        ad_id,
        ts,
        rejection_reason,
        null::varchar as detail,
        to_json(judged)::varchar as event
    from judged

)

select * from rejected
