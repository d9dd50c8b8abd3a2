with source as (

    select * from {{ source('lake_feedback', 'ad_responses') }}

),

renamed as (

    select
        {{ partition_of_file() }},

        -- ids
        event_id,
        response_id,
        query_id,
        user_id,
        policy_version,

        -- the auction
        query,
        profile,
        coalesce(candidate_ad_ids, []) as candidate_ad_ids,
        coalesce(bids, []) as bids,

        -- the answer
        answer,
        coalesce(inserted_ad_ids, []) as inserted_ad_ids,
        format_errors,
        tokens,
        logprob,

        -- how it was sampled
        temperature,
        top_p,
        top_k,
        sample_index,

        -- when
        ts
    from source

)

select * from renamed
