-- stg_ads belongs to the simulated loop, which a deployment need not run
with source as (

    select * from {{ source('lake', 'ad_catalog') }}

),

renamed as (

    select
        ad_id,
        title,
        advertiser
    from source

)

select * from renamed
