with conversions as (

    select * from {{ ref('stg_conversion_feedback') }}

),

responses as (

    {{ one_row_a_response(ref('int_ad_responses_judged')) }}

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
