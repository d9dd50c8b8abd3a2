with source as (

    select * from {{ source('lake_click_log', 'click_log_files') }}

),

renamed as (

    select
        -- which
        day::date as delivered_on,
        file,
        bytes,
        fingerprint,

        -- what became of its events
        events_read,
        accepted,
        duplicates,
        rejected
    from source

)

select * from renamed
