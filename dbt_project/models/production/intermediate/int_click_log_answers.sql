-- without the long texts: fct_click_log_responses takes those from where they came from
with delivered as (

    select
        {{ day_of('ts') }} as day,
        * exclude (query, profile, answer)
    from {{ ref('stg_click_log_answers') }}
    where {{ delivered_between(1, click_log('lateness_days')) }}

),

{{ first_used('delivered') }},

{{ judged_answers('first_used') }},

accepted as (

    select * exclude (rejection_reason)
    from judged
    where rejection_reason is null and {{ partition_predicate(['day']) }}

)

select * from accepted
