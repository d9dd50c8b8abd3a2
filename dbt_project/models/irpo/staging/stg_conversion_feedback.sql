with source as (

    select * from {{ source('lake_feedback', 'conversion_feedback') }}

),

renamed as (

    select
        {{ partition_of_file() }},

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
