with source as (

    select * from {{ source('lake', 'user_queries') }}

),

renamed as (

    select
        -- ids
        query_id,
        user_id,

        -- what is asked
        text as query,
        category,
        split
    from source

)

select * from renamed
