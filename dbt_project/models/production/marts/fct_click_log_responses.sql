-- The long texts are joined last, so that no other join has to carry them (docs/experiments.md).
with answers as (

    select * from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

texts as (

    select
        delivered_on,
        file,
        line,
        query,
        profile,
        answer
    from {{ ref('stg_click_log_answers') }}
    where {{ delivered_between(1, click_log('lateness_days')) }}

),

impressions as (

    select * from {{ ref('fct_click_log_impressions') }}
    where {{ partition_predicate(['day']) }}

),

sessions as (

    select * from {{ ref('int_click_log_sessions') }}
    where {{ partition_predicate(['day']) }}

),

users as (

    select * from {{ ref('int_click_log_users') }}
    where {{ partition_predicate(['day']) }}

),

per_response as (

    {{ response_totals('impressions', ['day'], decimals=6) }}

),

conversions_per_response as (

    select
        day,
        response_id,
        sum(conversions)::bigint as conversions,
        round(sum(conversion_value), 6) as conversion_value
    from impressions
    group by day, response_id

),

described as (

    select
        answers.*,
        len(answers.inserted_ad_ids) as n_ads,
        coalesce(answers.format_errors > 0, false) as has_format_error,
        coalesce(per_response.clicks, 0)::bigint as clicks,
        coalesce(per_response.revenue, 0)::double as revenue,
        case when len(answers.inserted_ad_ids) = 0 then 0 else per_response.expected_revenue end as expected_revenue,
        coalesce(conversions_per_response.conversions, 0) as conversions,
        coalesce(conversions_per_response.conversion_value, 0) as conversion_value,
        sessions.session_id,
        sessions.session_position,
        sessions.seconds_since_previous_answer,
        users.exclusion_reason is not null as is_excluded,
        users.exclusion_reason
    from answers
    left join per_response on answers.day = per_response.day and answers.response_id = per_response.response_id
    left join conversions_per_response
        on
            answers.day = conversions_per_response.day
            and answers.response_id = conversions_per_response.response_id
    left join sessions on answers.day = sessions.day and answers.response_id = sessions.response_id
    left join users on answers.day = users.day and answers.user_id = users.user_id

),

responses as (

    select
        described.day,
        described.response_id,
        described.query_id,
        described.user_id,
        described.policy_version,
        described.arm,
        described.iteration,
        texts.query,
        texts.profile,
        described.candidate_ad_ids,
        described.bids,
        texts.answer,
        described.inserted_ad_ids,
        described.n_ads,
        described.format_errors,
        described.has_format_error,
        -- logs don't hold them
        null::bigint as tokens,
        null::bigint as sample_index,
        described.logprob,
        described.temperature,
        described.top_p,
        described.top_k,
        described.clicks,
        described.revenue,
        described.expected_revenue,
        described.conversions,
        described.conversion_value,
        described.session_id,
        described.session_position,
        described.seconds_since_previous_answer,
        described.is_excluded,
        described.exclusion_reason,
        described.ts
    from described
    inner join texts
        on
            described.delivered_on = texts.delivered_on
            and described.file = texts.file
            and described.line = texts.line

)

select * from responses
