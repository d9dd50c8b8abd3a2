with responses as (

    select * from {{ ref('fct_responses') }}
    where {{ partition_predicate() }}

),

rejected as (

    select * from {{ ref('rejected_feedback_events') }}
    where {{ partition_predicate() }}

),

per_iteration as (

    {{ partition_totals('responses') }}

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
