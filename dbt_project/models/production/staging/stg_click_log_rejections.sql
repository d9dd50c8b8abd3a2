with source as (

    select * from {{ source('lake_click_log', 'click_log_rejections') }}

),

renamed as (

    select
        -- where it comes from
        day::date as delivered_on,
        file,
        line,

        -- what it says, where it says so
        event_type,
        event_id,
        response_id,
        ad_id,
        ts,

        -- why it was rejected
        rejection_reason,
        detail,
        event
    from source

)

select * from renamed
