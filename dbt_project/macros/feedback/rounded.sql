{# A sum of money, rounded where it has decimals. #}
{% macro rounded(expression, decimals) -%}
    {{ expression if decimals is none else 'round(' ~ expression ~ ', ' ~ decimals ~ ')' }}
{%- endmacro %}
