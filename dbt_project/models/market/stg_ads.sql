with source as (

    select * from {{ source('lake', 'ad_catalog') }}

),

renamed as (

    select
        -- ids
        ad_id,

        -- what it says
        title,
        category,
        description,
        advertiser,

        -- what it may bid, currency units per click
        bid_low,
        bid_high
    from source

)

select * from renamed
