-- Which answers count is settled on their ids alone: rows with everything in them would have to be sorted on disk. The
-- long texts stay where they are: fct_click_log_responses takes them from there.
with delivered as (

    select
        {{ day_of('ts') }} as day,
        delivered_on,
        file,
        line,
        event_id,
        response_id,
        ts
    from {{ ref('stg_click_log_answers') }}
    where {{ delivered_between(1, click_log('lateness_days')) }}

),

{{ first_used('delivered') }},

{{ judged_answers('first_used') }},

counting as (

    select
        day,
        delivered_on,
        file,
        line
    from judged
    where rejection_reason is null and {{ partition_predicate(['day']) }}

),

answers as (

    select * exclude (query, profile, answer) from {{ ref('stg_click_log_answers') }}
    where {{ delivered_between(1, click_log('lateness_days')) }}

),

accepted as (

    select
        counting.day,
        answers.*
    from answers
    inner join counting
        on
            answers.delivered_on = counting.delivered_on
            and answers.file = counting.file
            and answers.line = counting.line

)

select * from accepted
