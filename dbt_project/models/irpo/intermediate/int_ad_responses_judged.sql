with answers as (

    select * from {{ ref('stg_ad_responses') }}

),

queries as (

    select query_id from {{ ref('stg_queries') }}

),

catalog as (

    select coalesce(list(ad_id), []) as ad_ids from {{ ref('stg_ads') }}

),

checked as (

    select
        answers.*,
        {{ answer_rejection_reason() }} as rejection_reason
    from answers
    cross join catalog
    left join queries on answers.query_id = queries.query_id

),

once_an_event as (

    {{ reject_duplicates('checked', ['event_id'], 'ts, response_id', 'duplicate_event_id') }}

),

judged as (

    {{ reject_duplicates('once_an_event', ['response_id'], 'ts, event_id', 'duplicate_response_id') }}

)

select * from judged
