with answers as (

    select * from {{ ref('int_ad_responses_judged') }}
    where rejection_reason is not null and {{ partition_predicate() }}

),

clicks as (

    select * from {{ ref('int_click_feedback_judged') }}
    where rejection_reason is not null and {{ partition_predicate() }}

),

conversions as (

    select * from {{ ref('int_conversion_feedback_judged') }}
    where rejection_reason is not null and {{ partition_predicate() }}

),

rejected as (

    select
        arm,
        iteration,
        'answer' as event_type,
        event_id,
        response_id,
        null::varchar as ad_id,
        ts,
        rejection_reason,
        to_json(answers)::varchar as event
    from answers

    union all

    select
        arm,
        iteration,
        'click' as event_type,
        event_id,
        response_id,
        ad_id,
        ts,
        rejection_reason,
        to_json(clicks)::varchar as event
    from clicks

    union all

    select
        arm,
        iteration,
        'conversion' as event_type,
        event_id,
        response_id,
        ad_id,
        ts,
        rejection_reason,
        to_json(conversions)::varchar as event
    from conversions

)

select * from rejected
