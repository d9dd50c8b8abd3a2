-- What became of every valid event that was delivered on the day, whenever it happened. Others are read only where they
-- are about the same answers.
{% set before = answer_days() %}
{% set after = click_days() %}

with answers_near as (

    select
        delivered_on,
        file,
        line,
        event_id,
        response_id,
        inserted_ad_ids,
        ts
    from {{ ref('stg_click_log_answers') }}
    where {{ delivered_between(before, after) }}

),

clicks_near as (

    select * from {{ ref('stg_click_log_clicks') }}
    where {{ delivered_between(before, after) }}

),

conversions_near as (

    select * from {{ ref('stg_click_log_conversions') }}
    where {{ delivered_between(before, after) }}

),

concerned as (

    select response_id from answers_near
    where {{ delivered_between(0, 0) }}
    union
    select response_id from clicks_near
    where {{ delivered_between(0, 0) }}
    union
    select response_id from conversions_near
    where {{ delivered_between(0, 0) }}

),

answers_concerned as (

    select * from answers_near
    where response_id in (select concerned.response_id from concerned)

),

clicks as (

    select * from clicks_near
    where response_id in (select concerned.response_id from concerned)

),

conversions as (

    select * from conversions_near
    where response_id in (select concerned.response_id from concerned)

),

{{ judged_answers('answers_concerned') }},

answers as (

    select * from judged
    where rejection_reason is null

),

{{ judged_clicks('clicks', 'answers') }},

accepted_clicks as (

    select
        response_id,
        ad_id
    from judged_clicks
    where rejection_reason is null

),

{{ judged_conversions('conversions', 'answers', 'accepted_clicks') }},

events as (

    select
        delivered_on,
        file,
        line,
        'answer' as event_type,
        event_id,
        response_id,
        null::varchar as ad_id,
        null::double as value,
        ts,
        rejection_reason
    from judged

    union all

    select
        delivered_on,
        file,
        line,
        'click' as event_type,
        event_id,
        response_id,
        ad_id,
        null::double as value,
        ts,
        rejection_reason
    from judged_clicks

    union all

    select
        delivered_on,
        file,
        line,
        'conversion' as event_type,
        event_id,
        response_id,
        ad_id,
        value,
        ts,
        rejection_reason
    from judged_conversions

),

-- a repetition is no fault
told_apart as (

    select
        delivered_on as day,
        file,
        line,
        event_type,
        event_id,
        response_id,
        ad_id,
        value,
        ts,
        coalesce(rejection_reason in ('duplicate_event_id', 'repeated_click'), false) as is_duplicate,
        case when rejection_reason not in ('duplicate_event_id', 'repeated_click') then rejection_reason end
            as rejection_reason
    from events
    where {{ delivered_between(0, 0) }}

)

select * from told_apart
