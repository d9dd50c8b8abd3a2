with source as (

    select * from {{ source('lake_feedback', 'conversion_feedback') }}

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
        ad_id,

        -- what it is worth
        value,

        -- when
        ts
    from source

)

select * from renamed
