with delivered as (

    select
        {{ day_of('ts') }} as day,
        delivered_on,
        file,
        line,
        event_id,
        response_id,
        user_id,
        ts
    from {{ ref('stg_click_log_answers') }}
    -- and the day before: a session may have begun on it
    where {{ delivered_between(2, click_log('lateness_days')) }}

),

{{ first_used('delivered') }},

{{ judged_answers('first_used') }},

paused as (

    select
        *,
        (epoch_us(ts) - epoch_us(lag(ts) over of_user)) / 1e6 as pause
    from judged
    where rejection_reason is null
    window of_user as (partition by user_id order by ts, response_id)

),

numbered as (

    select
        *,
        count_if(coalesce(pause > 60 * {{ click_log('session_gap_minutes') }}, true)) over (
            partition by user_id order by ts, response_id
        ) as session_number
    from paused

),

sessions as (

    select
        day,
        response_id,
        md5(user_id || ' ' || epoch_us(min(ts) over of_session))[:16] as session_id,
        row_number() over (of_session order by ts, response_id) as session_position,
        case when row_number() over (of_session order by ts, response_id) > 1 then pause end
            as seconds_since_previous_answer
    from numbered
    window of_session as (partition by user_id, session_number)

),

of_the_day as (

    select * from sessions
    where {{ partition_predicate(['day']) }}

)

select * from of_the_day
