with events as (

    select * from {{ ref('int_click_log_click_events') }}
    where {{ partition_predicate(['day']) }}

),

counting as (

    select
        day,
        response_id,
        ad_id,
        event_id,
        true as clicked,
        -- nobody knows a real user's
        null::double as click_probability,
        reason,
        seconds_to_click,
        ts
    from events
    where not is_repeated

)

select * from counting
