with inserted as (

    select * from {{ ref('int_inserted_ads') }}
    where {{ partition_predicate() }}

),

clicks as (

    select * from {{ ref('int_click_feedback_judged') }}
    where rejection_reason is null and {{ partition_predicate() }}

),

impressions as (

    {{ ad_impressions('inserted', 'clicks') }}

)

select * from impressions
