with answers as (

    select * from {{ ref('int_ad_responses_judged') }}
    where rejection_reason is null and {{ partition_predicate() }}

),

impressions as (

    select * from {{ ref('fct_ad_impressions') }}
    where {{ partition_predicate() }}

),

per_response as (

    {{ response_totals('impressions') }}

),

responses as (

    select
        answers.arm,
        answers.iteration,
        answers.response_id,
        answers.query_id,
        answers.user_id,
        answers.policy_version,
        answers.query,
        answers.profile,
        answers.candidate_ad_ids,
        answers.bids,
        answers.answer,
        answers.inserted_ad_ids,
        len(answers.inserted_ad_ids) as n_ads,
        answers.format_errors,
        coalesce(answers.format_errors > 0, false) as has_format_error,
        answers.tokens,
        answers.logprob,
        answers.sample_index,
        coalesce(per_response.clicks, 0)::bigint as clicks,
        coalesce(per_response.revenue, 0)::bigint as revenue,
        case when len(answers.inserted_ad_ids) = 0 then 0 else per_response.expected_revenue end as expected_revenue,
        answers.ts
    from answers
    left join per_response
        on
            answers.arm = per_response.arm
            and answers.iteration = per_response.iteration
            and answers.response_id = per_response.response_id

)

select * from responses
