with answers as (

    select * from {{ ref('int_click_log_answers') }}
    where {{ partition_predicate(['day']) }}

),

inserted as (

    {{ inserted_ads('answers', ['day']) }}

)

select * from inserted
