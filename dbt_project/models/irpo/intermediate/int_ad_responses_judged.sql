with answers as (

    select * from {{ ref('stg_ad_responses') }}

),

queries as (

    select query_id from {{ ref('stg_queries') }}

),

catalog as (

    select coalesce(list(ad_id), []) as ad_ids from {{ ref('stg_ads') }}

),

judged as (

    select
        answers.*,
        {{ answer_rejection_reason() }} as rejection_reason
    from answers
    cross join catalog
    left join queries on answers.query_id = queries.query_id

)

select * from judged
