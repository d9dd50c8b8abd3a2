with conversions as (

    select * from {{ ref('stg_conversion_feedback') }}

),

-- one row a response: where an id came twice, the accepted row speaks for it
responses as (

    select
        arm,
        iteration,
        response_id,
        inserted_ad_ids,
        rejection_reason,
        ts
    from {{ ref('int_ad_responses_judged') }}
    where response_id is not null
    qualify row_number() over (
        partition by arm, iteration, response_id order by rejection_reason nulls first
    ) = 1

),

clicks as (

    select
        arm,
        iteration,
        response_id,
        ad_id
    from {{ ref('int_click_feedback_judged') }}
    where clicked and rejection_reason is null

),

checked as (

    select
        conversions.*,
        {{ conversion_rejection_reason() }} as rejection_reason
    from conversions
    left join responses
        on
            conversions.arm = responses.arm
            and conversions.iteration = responses.iteration
            and conversions.response_id = responses.response_id
    left join clicks
        on
            conversions.arm = clicks.arm
            and conversions.iteration = clicks.iteration
            and conversions.response_id = clicks.response_id
            and conversions.ad_id = clicks.ad_id

),

judged as (

    {{ reject_duplicates('checked', ['event_id'], 'ts, response_id, ad_id', 'duplicate_event_id') }}

)

select * from judged
