with source as (

    select * from {{ source('lake_feedback', 'ad_responses') }}

),

renamed as (

    select
        -- partition: the folder a row lies in; a row that claims another one is rejected further down
        regexp_extract(filename, 'arm=([^/\\]+)', 1) as arm,
        regexp_extract(filename, 'iteration=([^/\\]+)', 1) as iteration,
        arm as event_arm,
        iteration as event_iteration,

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
