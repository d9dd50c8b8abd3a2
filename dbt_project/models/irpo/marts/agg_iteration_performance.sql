with responses as (

    select * from {{ ref('fct_responses') }}
    where {{ partition_predicate() }}

),

rejected as (

    select * from {{ ref('rejected_feedback_events') }}
    where {{ partition_predicate() }}

),

per_iteration as (

    select
        arm,
        iteration,
        count(*) as responses,
        count(distinct query_id) as queries,
        count(distinct user_id) as users,
        sum(n_ads)::bigint as impressions,
        sum(clicks)::bigint as clicks,
        sum(revenue)::bigint as revenue,
        case when count(expected_revenue) = count(*) then sum(expected_revenue) end as expected_revenue,
        count_if(has_format_error)::bigint as responses_with_format_error,
        avg(tokens) as tokens_per_response
    from responses
    group by arm, iteration

),

rejected_per_iteration as (

    select
        arm,
        iteration,
        count(*) as rejected_events
    from rejected
    group by arm, iteration

),

performance as (

    select
        per_iteration.arm,
        per_iteration.iteration,
        per_iteration.responses,
        per_iteration.queries,
        per_iteration.users,
        per_iteration.impressions,
        per_iteration.clicks,
        per_iteration.revenue,
        {{ safe_divide('per_iteration.clicks', 'per_iteration.impressions') }} as ctr,
        {{ safe_divide('per_iteration.revenue', 'per_iteration.responses') }} as revenue_per_response,
        {{ safe_divide('per_iteration.expected_revenue', 'per_iteration.responses') }} as expected_revenue_per_response,
        {{ safe_divide('per_iteration.impressions', 'per_iteration.responses') }} as ads_per_response,
        {{ safe_divide('per_iteration.responses_with_format_error', 'per_iteration.responses') }} as format_error_rate,
        per_iteration.tokens_per_response,
        coalesce(rejected_per_iteration.rejected_events, 0) as rejected_events
    from per_iteration
    left join rejected_per_iteration
        on
            per_iteration.arm = rejected_per_iteration.arm
            and per_iteration.iteration = rejected_per_iteration.iteration

)

select * from performance
