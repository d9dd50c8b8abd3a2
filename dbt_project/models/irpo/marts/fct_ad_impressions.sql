-- what the user model did not judge is neither a click nor its absence
with unjudged as (

    select distinct
        arm,
        iteration,
        response_id,
        ad_id
    from {{ ref('int_click_feedback_judged') }}
    where rejection_reason = 'missing_judgement' and {{ partition_predicate() }}

),

inserted as (

    select insertions.*
    from {{ ref('int_inserted_ads') }} as insertions
    left join unjudged
        on
            insertions.arm = unjudged.arm
            and insertions.iteration = unjudged.iteration
            and insertions.response_id = unjudged.response_id
            and insertions.ad_id = unjudged.ad_id
    where unjudged.ad_id is null and {{ partition_predicate(relation='insertions') }}

),

clicks as (

    select * from {{ ref('int_click_feedback_judged') }}
    where rejection_reason is null and {{ partition_predicate() }}

),

impressions as (

    {{ ad_impressions('inserted', 'clicks') }}

)

select * from impressions
