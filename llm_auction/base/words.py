"""Made-up words for the titles of pretraining: everyday ones, and such as no dictionary holds."""

from __future__ import annotations

from random import Random

_ONSETS = (
    "b br c ch cl cr d dr f fl fr g gl gr h j k kl kn l m n p pl pr qu r s sh sk sl sp st str t th tr v w wh y z"
).split()
_VOWELS = "a e i o u a e i o u ai ea ee ie oa oo ou y".split()
_CODAS = "b ck d ft g k l ld ll lt m mp n nd ng nk nt p r rd rk rm rn rt s sh ss st t tch th x".split() + [""] * 14

# Of names and foreign words: they begin with vowels, double letters, and end as the syllables above never do.
_LETTERS = "aaabcdeeefghiiijklmnooopqrsttuuvwxyz"
_PIECES = (
    "ab ac ad ag al am an ap ar as at au av be bi bo ca ce ci co cu da de di do du ed el em en er es ev ex fa fe fi fo "
    "ga ge gi go ha he hi ho ia ic id ie ig il im in io ir is it iv ja je jo ju ka ke ki ko la le li lo lu ma me mi mo "
    "mu na ne ni no nu ob oc od ol om on op or os ot ov ow pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu ub "
    "ug ul um un up ur us ut va ve vi vo wa we wi wo ya za ze zi zo act age ance anna ant ard ary ate ction ell ence "
    "ent ern ess est ette ian ible ican ich ick ics ide ier ight ina ine ing ion ious ish ism ist ite ive izer land "
    "let ley line lix man ment mer ness oid ology ory ost ous over pro ress rix son sson ster tech ter tex ther tion "
    "tive ton tra tron ture ty ual ular ume ure ville vis ward way well wood xin yer zen"
).split()

# Everyday words of product titles: enough variety that the tokenizer gets whole words for real catalogs too.
QUALITIES = (
    "waterproof light compact organic portable classic premium foldable wireless soft heavy duty quiet natural smart "
    "durable slim modern original fresh gentle adjustable reusable breathable ergonomic professional digital electric "
    "stainless wooden cotton leather silver golden black white blue red green grey brown pink navy vintage outdoor "
    "indoor universal magnetic solar mini large small medium extra deluxe complete daily family junior women men kids "
    "unisex handmade recycled antique ceramic glass bamboo steel aluminum plastic rubber silicone velvet knit denim "
    "hooded sleeveless long short round square double single dual automatic manual rechargeable replacement"
).split()
NOUNS = (
    "set kit pack box case bag cover stand holder rack shelf table chair lamp bulb mirror frame pillow towel curtain "
    "carpet bottle cup mug plate bowl spoon knife pan pot oven kettle blender mixer filter pump hose cable adapter "
    "charger battery keyboard mouse monitor printer router tablet watch ring necklace bracelet shirt dress jacket "
    "coat pants skirt socks gloves scarf hat belt shoes sandals boots sneakers slippers wallet backpack umbrella "
    "blade motor engine wheel tire brake mower tractor drill saw hammer wrench screw paint brush ladder rope tent "
    "lantern cooler bike helmet ball racket gloves mat rug toy doll puzzle book poster card calendar candle soap "
    "lotion cream oil serum shampoo vitamin tablet powder tea coffee chocolate cookie snack sauce spice honey rice "
    "pasta juice water detox cleanse formula supplement collar leash bed crate cage tank seeds plant planter "
    "fertilizer door handle lock window screen sensor camera speaker headphones microphone guitar piano drum strings "
    "cartridge toner paper pen notebook folder sticker label tape glue magnet clock alarm scale thermometer mask wig "
    "costume gift basket"
).split()
JOINTS = ("for", "with", "and", "in", "of", "by", "-", "-", "|", "&")
_UNITS = tuple("inch cm mm ml oz lbs kg g ft GB W V GHz Mbps pcs count pack".split())


def pseudo_word(rng: Random) -> str:
    """A pronounceable word that no dictionary holds, such as a brand."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((1, 2, 2, 3)))
    )


def odd_word(rng: Random) -> str:
    """A word as real feeds have many and the made-up ones none: any letters and syllables next to each other."""
    letters = "".join(
        rng.choice(_PIECES) if rng.random() < 0.6 else rng.choice(_LETTERS) for _ in range(rng.choice((2, 3, 3, 4)))
    )
    return letters[: rng.randint(3, 11)]


def model_number(rng: Random) -> str:
    """A made-up model number, such as KZ-981 or P70a118."""
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTXZ") for _ in range(rng.randint(1, 3)))
    number = f"{letters}{rng.choice(('', '-', ' '))}{rng.randint(1, 999)}"
    return number if rng.random() < 0.7 else f"{number}{rng.choice('abcdefgkmpsx-/')}{rng.randint(1, 999)}"


def feed_word(rng: Random) -> str:
    """A word of a real feed's title: mostly everyday ones and brands, else a joint, a size or number, an aside."""
    kind = rng.random()
    if kind < 0.28:
        noun = rng.choice(NOUNS).title()
        return rng.choice((noun, noun, noun, noun, f"{noun}'s", f"{noun}/{rng.choice(NOUNS).title()}"))
    if kind < 0.42:
        return rng.choice(QUALITIES).title()
    if kind < 0.73:
        word = pseudo_word(rng) if rng.random() < 0.4 else odd_word(rng)
        return rng.choice((word.title(), word.title(), f"{word.title()}'s", word, word.upper()))
    if kind < 0.83:
        return rng.choice(JOINTS)
    if kind < 0.93:
        measure = rng.choice((f"{rng.randint(1, 99)} {rng.choice(_UNITS)}", f'{rng.randint(1, 99)}"'))
        return rng.choice((str(rng.randint(1, 9999)), measure, f"{rng.random():.1f}", model_number(rng)))
    return f"({rng.choice(NOUNS).title()})" if rng.random() < 0.5 else f"{rng.choice(NOUNS).title()},"
