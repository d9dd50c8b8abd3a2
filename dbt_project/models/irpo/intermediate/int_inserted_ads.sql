with answers as (

    select * from {{ ref('int_ad_responses_judged') }}
    where rejection_reason is null and {{ partition_predicate() }}

),

inserted as (

    {{ inserted_ads('answers') }}

)

select * from inserted
