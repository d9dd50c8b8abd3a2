with source as (

    select * from {{ source('lake_click_log', 'click_log_answers') }}

),

renamed as (

    select
        -- where it comes from
        day::date as delivered_on,
        file,
        line,

        -- ids
        event_id,
        response_id,
        query_id,
        user_id,
        policy_version,
        arm,
        iteration,

        -- the auction
        query,
        profile,
        candidate_ad_ids,
        bids,

        -- the answer
        answer,
        inserted_ad_ids,
        format_errors,
        logprob,

        -- how it was sampled
        temperature,
        top_p,
        top_k,

        -- when
        ts
    from source

)

select * from renamed
