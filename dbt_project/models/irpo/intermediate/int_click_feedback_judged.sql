with clicks as (

    select * from {{ ref('stg_click_feedback') }}

),

responses as (

    {{ one_row_a_response(ref('int_ad_responses_judged')) }}

),

ads as (

    select ad_id from {{ ref('stg_ads') }}

),

checked as (

    select
        clicks.*,
        {{ click_rejection_reason() }} as rejection_reason
    from clicks
    left join responses
        on
            clicks.arm = responses.arm
            and clicks.iteration = responses.iteration
            and clicks.response_id = responses.response_id
    left join ads on clicks.ad_id = ads.ad_id

),

once_an_event as (

    {{ reject_duplicates('checked', ['event_id'], 'ts, response_id, ad_id', 'duplicate_event_id') }}

),

-- a click outweighs a judgement without one
judged as (

    {{ reject_duplicates(
        'once_an_event', ['response_id', 'ad_id'], 'clicked desc, ts, event_id', 'duplicate_judgement'
    ) }}

)

select * from judged
