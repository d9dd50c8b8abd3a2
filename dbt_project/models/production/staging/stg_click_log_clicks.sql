with source as (

    select * from {{ source('lake_click_log', 'click_log_clicks') }}

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
        ad_id,

        -- what was said
        reason,

        -- when
        ts
    from source

)

select * from renamed
