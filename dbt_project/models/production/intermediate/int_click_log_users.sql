with answers as (

    select
        day,
        response_id,
        user_id,
        date_trunc('hour', ts) as hour
    from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

-- repeated ones too: hundreds of clicks on one ad count once as clicks, and tell the spammer all the same
clicks as (

    select
        answers.day,
        answers.user_id,
        date_trunc('hour', clicks.ts) as hour
    from {{ ref('int_click_log_click_events') }} as clicks
    inner join answers on clicks.day = answers.day and clicks.response_id = answers.response_id

),

events as (

    select
        day,
        user_id,
        hour,
        1 as answers,
        0 as clicks
    from answers

    union all

    select
        day,
        user_id,
        hour,
        0 as answers,
        1 as clicks
    from clicks

),

hours as (

    select
        day,
        user_id,
        hour,
        sum(answers) as answers,
        sum(clicks) as clicks
    from events
    group by day, user_id, hour

),

users as (

    select
        day,
        user_id,
        sum(answers)::bigint as answers,
        sum(clicks)::bigint as clicks,
        max(answers)::bigint as most_answers_an_hour,
        max(clicks)::bigint as most_clicks_an_hour,
        case
            when max(answers) > {{ click_log('max_answers_per_user_hour') }} then 'answer_rate'
            when max(clicks) > {{ click_log('max_clicks_per_user_hour') }} then 'click_rate'
        end as exclusion_reason
    from hours
    group by day, user_id

)

select * from users
