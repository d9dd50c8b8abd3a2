{# A setting of the profile's section click_log. #}
{% macro click_log(name) -%}
    {{ return(var('click_log')[name]) }}
{%- endmacro %}
