with source as (

    select * from {{ source('lake_feedback', 'click_feedback') }}

),

renamed as (

    select
        {{ partition_of_file() }},

        -- ids
        event_id,
        response_id,
        ad_id,

        -- the verdict
        clicked,
        click_probability,
        reason,

        -- when
        ts
    from source

)

select * from renamed
