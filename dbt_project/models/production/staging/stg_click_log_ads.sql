-- Answers of past days name ads that have left the catalog since. stg_ads belongs to the simulated loop, which a
-- deployment need not run.
with source as (

    select * from {{ source('lake', 'known_ads') }}

),

renamed as (

    select
        ad_id,
        title,
        advertiser
    from source
    -- as it stood last
    qualify row_number() over (partition by ad_id order by last_seen desc, first_seen desc, title asc) = 1

)

select * from renamed
