with conversions as (

    select * from {{ ref('int_conversion_feedback_judged') }}
    where rejection_reason is null and {{ partition_predicate() }}

),

per_impression as (

    select
        arm,
        iteration,
        response_id,
        ad_id,
        count(*) as conversions,
        round(sum(value), 6) as conversion_value,
        min(ts) as converted_at
    from conversions
    group by arm, iteration, response_id, ad_id

)

select * from per_impression
