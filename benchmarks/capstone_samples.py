"""Writes lesson 13's samples of financial statements and of film ratings, all invented.

    python benchmarks/capstone_samples.py    # writes course_lib/capstone/samples/news.json and ratings.json

No person labelled a statement or rated a film: five simulated annotators read a statement as its pattern was
meant, or not, with a chance that the pattern has; simulated users like the films of one or two themes.
"""

import json
import pathlib

import numpy as np

from course_lib import runtime

FOLDER = pathlib.Path(__file__).parent.parent / "course_lib" / "capstone" / "samples"
NEGATIVE, NEUTRAL, POSITIVE = range(3)

FIRMS = (
    "Nordvale Paper",
    "Aldermere Foods",
    "Brightwell Optics",
    "Tarnholm Energy",
    "Copperline Rail",
    "Haldby Pumps",
    "Mirefield Textiles",
    "Quillon Software",
    "Sandhaven Ports",
    "Vantry Tools",
    "Eskmoor Steel",
    "Lindqvale Pharma",
)
TOWNS = ("Ostermoor", "Kallby", "Port Ellery", "Vindhamn", "Saltbridge", "Marrow Hill")
THINGS = (
    "packaging board",
    "cranes",
    "lenses",
    "heat pumps",
    "rail cars",
    "frozen meals",
    "billing software",
    "valves",
)
PEOPLE = ("Ada Brenner", "Jonas Hallwick", "Mira Tolvanen", "Peter Osgood", "Lea Quist")
MONTHS = ("January", "March", "May", "August", "October")

# (label, how many of ten annotators read it so, the label that the others give, the pattern)
RELEASES = (
    (
        POSITIVE,
        10,
        NEUTRAL,
        "Operating profit of {firm} rose to EUR {more} mn from EUR {less} mn.",
    ),
    (
        POSITIVE,
        10,
        NEUTRAL,
        "Net sales of {firm} grew by {share} % on strong demand for {thing}.",
    ),
    (POSITIVE, 9, NEUTRAL, "{firm} has won an order for {thing} worth EUR {more} mn."),
    (POSITIVE, 10, NEUTRAL, "{firm} raised its outlook for the year after record orders of {thing}."),
    (POSITIVE, 10, NEUTRAL, "{firm} turned to a profit of EUR {less} mn from a loss of EUR {more} mn."),
    (
        POSITIVE,
        9,
        NEUTRAL,
        "The board of {firm} proposes a dividend {share} % higher than last year's.",
    ),
    (
        POSITIVE,
        9,
        NEUTRAL,
        "Orders at {firm} doubled in {month}; its plant in {town} runs at full capacity.",
    ),
    (POSITIVE, 8, NEGATIVE, "The loss of {firm} narrowed to EUR {less} mn from EUR {more} mn."),
    (
        POSITIVE,
        6,
        NEGATIVE,
        "{firm} will close its plant in {town} and save EUR {less} mn a year.",
    ),
    (POSITIVE, 6, NEUTRAL, "{firm} invests EUR {more} mn in a new line for {thing} in {town}."),
    (
        NEGATIVE,
        10,
        NEUTRAL,
        "Operating profit of {firm} fell to EUR {less} mn from EUR {more} mn.",
    ),
    (NEGATIVE, 10, NEUTRAL, "Net sales of {firm} decreased by {share} % as demand for {thing} weakened."),
    (NEGATIVE, 10, NEUTRAL, "{firm} warned that its result for the year will fall short of expectations."),
    (NEGATIVE, 9, NEUTRAL, "{firm} will lay off {people} employees at its plant in {town}."),
    (NEGATIVE, 9, NEUTRAL, "{firm} has lost its contract for {thing}, a {share} % share of its sales."),
    (NEGATIVE, 9, NEUTRAL, "The board of {firm} proposes that no dividend be paid."),
    (NEGATIVE, 8, NEUTRAL, "A fire has stopped production of {thing} at {firm}'s plant in {town}."),
    (NEGATIVE, 6, POSITIVE, "Sales of {firm} rose by {share} %, but its profit halved to EUR {less} mn."),
    (NEUTRAL, 10, POSITIVE, "{firm} will publish its interim report at the end of {month}."),
    (NEUTRAL, 10, POSITIVE, "{firm} makes {thing} in {town} and employs {people} people."),
    (NEUTRAL, 10, POSITIVE, "The annual general meeting of {firm} will be held in {town}."),
    (NEUTRAL, 10, POSITIVE, "The plant of {firm} in {town} was built in two stages."),
    (NEUTRAL, 9, POSITIVE, "{person} has been appointed head of {firm}'s unit for {thing}."),
    (NEUTRAL, 9, NEGATIVE, "{firm} did not disclose the price of the deal on {thing}."),
    (NEUTRAL, 9, POSITIVE, "The contract covers the delivery of {thing} from {firm} to {town}."),
    (NEUTRAL, 8, POSITIVE, "{firm} said that the value of the order for {thing} is EUR {more} mn."),
    (NEUTRAL, 9, NEGATIVE, "Shares in {firm} closed unchanged at EUR {less}."),
    (NEUTRAL, 6, POSITIVE, "{firm} has signed a letter of intent on the delivery of {thing} to {town}."),
    (NEUTRAL, 6, NEGATIVE, "{firm} keeps its outlook although the prices of raw materials have risen."),
)
POSTS = (
    (POSITIVE, 9, NEUTRAL, "${tick} ripping again, shorts are toast"),
    (POSITIVE, 9, NEUTRAL, "big beat from ${tick}, guide up, buyback upsized"),
    (POSITIVE, 9, NEUTRAL, "upgrade on ${tick}, target {more}, still cheap imo"),
    (POSITIVE, 7, NEUTRAL, "${tick} back above its 200 day line on huge volume"),
    (POSITIVE, 6, NEGATIVE, "everyone hates ${tick} here, loading up"),
    (NEGATIVE, 9, NEUTRAL, "${tick} tanking after hours, guide slashed"),
    (NEGATIVE, 9, NEUTRAL, "downgrade on ${tick}, target {less}, who is still holding this"),
    (NEGATIVE, 9, NEUTRAL, "ugly miss from ${tick}, cfo walks"),
    (NEGATIVE, 8, NEUTRAL, "insiders dumping ${tick} all week"),
    (NEUTRAL, 9, POSITIVE, "${tick} reports after the bell, street at 0.{share}"),
    (NEUTRAL, 9, NEGATIVE, "anyone know when the ${tick} call starts?"),
    (NEUTRAL, 9, NEGATIVE, "${tick} flat on light volume"),
    (NEUTRAL, 7, POSITIVE, "watching ${tick} around {more}, no view yet"),
)
SHARES = {NEGATIVE: 0.17, NEUTRAL: 0.55, POSITIVE: 0.28}


def statements(patterns, days, per_day, rng):
    """Rows of (text, votes, meant, day), no text twice."""
    found = {}
    for day in days:
        while sum(row[3] == day for row in found.values()) < per_day:
            label = rng.choice(3, p=list(SHARES.values()))
            same = [each for each in patterns if each[0] == label]
            meant, clear, other, pattern = same[rng.integers(len(same))]
            less = int(rng.integers(2, 30))
            firm = FIRMS[rng.integers(len(FIRMS))]
            text = pattern.format(
                firm=firm,
                tick="".join(word[:2] for word in firm.split()).upper(),
                town=rng.choice(TOWNS),
                thing=rng.choice(THINGS),
                person=rng.choice(PEOPLE),
                month=rng.choice(MONTHS),
                less=less,
                more=less + int(rng.integers(3, 40)),
                share=int(rng.integers(4, 38)),
                people=int(rng.integers(2, 40)) * 10,
            )
            votes = np.where(10 * rng.random(5) < clear, meant, other)
            found.setdefault(text, (text, votes.tolist(), meant, day))
    return list(found.values())


def news():
    """The sample of statements: 120 days of press releases, then 60 days of posts."""
    rng = np.random.default_rng(13)
    rows = statements(RELEASES, range(120), 2, rng) + statements(POSTS, range(120, 180), 2, rng)
    first = np.datetime64("2024-01-01")
    counts = [np.bincount(votes, minlength=3) for _, votes, _, _ in rows]
    labels = [int(count.argmax()) for count in counts]
    return {
        "rows": [
            [row[0], label, count.max() / 5] for row, label, count in zip(rows, labels, counts, strict=True)
        ],
        "votes": [row[1] for row in rows],
        "dates": [str(first + row[3]) for row in rows],
    }


# Theme: its genres, and films as "title | what it is about".
FILMS = {
    "space": (
        ("Sci-Fi", "Adventure"),
        "The Long Orbit | a crew drifts past Saturn with one engine left",
        "Signal from Tethys | a radio astronomer answers a voice from a moon",
        "Cold Ignition | engineers race to restart a reactor on a star ship",
        "Ninety Days to Vega | colonists vote on turning their ship back",
        "The Cartographer's Moon | a robot maps a planet that changes at night",
        "Gravity Well | a salvage pilot falls towards a dead station",
        "Airlock Seven | a mutiny on a mining rig among asteroids",
        "Second Sunrise | settlers wake on a planet with two suns",
    ),
    "heist": (
        ("Crime", "Thriller"),
        "Eleven Minutes at Brauer's | a crew empties a bank vault by the clock",
        "The Glass Cutter | a retired burglar takes one last museum job",
        "Dead Drop | a detective follows a bag of stolen bonds",
        "Night Ledger | an accountant robs the gang he works for",
        "The Quiet Alarm | thieves plan to rob a casino without a shot",
        "Marked Cards | a card sharp owes money to the wrong man",
        "Getaway Town | a driver hides among the police who hunt him",
        "The Forger's Daughter | a painter fakes a masterpiece for a syndicate",
    ),
    "ghosts": (
        ("Horror",),
        "The House on Fenn Lane | a family hears steps in a locked attic",
        "Do Not Ring Twice | a telephone calls from the year it was cut off",
        "Salt Circle | villagers wake what was buried under the chapel",
        "The Lodger Below | a widow rents her cellar to something hungry",
        "Candle Thirteen | a séance opens a door that will not close",
        "White Noise Ward | nurses vanish in an abandoned hospital",
        "The Well Keeper | a child talks to a drowned girl",
        "Mouth of the Pines | campers are hunted by a thing with many voices",
    ),
    "hearts": (
        ("Comedy", "Romance"),
        "Two Weddings Late | a best man falls for the wrong bride",
        "The Umbrella Exchange | strangers swap umbrellas and then addresses",
        "Table for One and a Half | a chef and a critic share a kitchen",
        "Love by Appointment | a dentist and her rival fall in love",
        "My Neighbour's Piano | a silent feud becomes a duet",
        "Return to Sender | a postman writes love letters for the whole street",
        "The Wrong Wedding | a wedding planner books two couples into one hall",
        "Summer of Small Lies | two exes pretend to be engaged on an island",
    ),
    "war": (
        ("War", "Drama"),
        "The Bridge at Orlen | a company holds a river crossing for three nights",
        "Letters from the Ridge | a soldier writes home from the trenches",
        "The Last Convoy | sailors cross a frozen sea under fire",
        "Field Hospital 9 | a surgeon treats both armies",
        "Ash Winter | partisans survive a siege in the snow",
        "The Deserter's Coat | a boy in uniform walks home through the front",
        "Minefield Sunday | sappers clear a village before Easter",
        "White Flag, Black Smoke | two officers negotiate a surrender",
    ),
    "burrow": (
        ("Animation", "Children"),
        "Pip and the Big River | a young otter sets out to find the sea",
        "The Hedgehog Parade | forest animals stage a show for the moon",
        "Captain Whisker | a ship's cat becomes captain of the mice",
        "Button the Brave Bear | a toy bear crosses the city to its child",
        "The Snow Goose School | goslings learn to fly before winter",
        "Mole's Underground Band | animals dig a concert hall",
        "Tuli and the Singing Tree | a squirrel saves a magic oak",
        "Ten Little Lanterns | fireflies light the way for a lost fawn",
    ),
    "frontier": (
        ("Western",),
        "Dust over Carver's Creek | a sheriff waits for the noon train",
        "The Last Good Horse | an outlaw and a rancher cross a desert",
        "Silver Noose | a bounty hunter finds the wrong man innocent",
        "Riders of the Salt Flat | cattle drivers stand against a railway",
        "A Grave for Two Pistols | a gunslinger returns to her home town",
        "Red Mesa Justice | a judge without a court rides from camp to camp",
        "The Saddle Maker | a widow defends her ranch against a gang",
        "Three Bullets West | a stagecoach carries gold and one traitor",
    ),
    "stage": (
        ("Musical", "Drama"),
        "Footlights | an understudy sings the lead on opening night",
        "The Jazz Cellar | a trumpeter keeps a club alive",
        "Encore for Elena | an opera singer loses and finds her voice",
        "Tap, Tap, Broadway | two dancers hitchhike to the big stage",
        "The Choir of Line 4 | commuters start to sing in the subway",
        "A Song for the Strike | factory workers put on a musical",
        "Blue Guitar | a songwriter follows her band on tour",
        "The Conductor | an orchestra rebels before the premiere",
    ),
}


def ratings():
    """The sample of ratings: 240 users in 1,000 days; each theme's last three films come out on day 740."""
    rng = np.random.default_rng(7)
    titles, genres, about, theme = [], [], [], []
    for number, (own, *films) in enumerate(FILMS.values()):
        for film in films:
            title, text = film.split(" | ")
            titles.append(title)
            genres.append(list(own))
            about.append(text)
            theme.append(number)
    theme = np.array(theme)
    new = np.arange(len(titles)) % 8 > 4
    known = rng.permutation(np.linspace(0.3, 3.0, len(titles)))  # How well known a film is.
    rows, start = [], np.datetime64("2020-01-01").astype("datetime64[s]").astype(int)
    for user in range(240):
        day = int(1000 * user / 240 + rng.integers(0, 10))
        first, second = rng.choice(len(FILMS), 2, replace=False)
        taste = np.where(theme == first, 6.0, np.where(theme == second, 3.0, 0.5))
        chance = taste * known * (~new | (day >= 740))
        for film in rng.choice(len(titles), rng.integers(8, 15), replace=False, p=chance / chance.sum()):
            good = theme[film] in (first, second)
            stars = np.clip(rng.normal(4.4 if good else 2.7, 0.6), 0.5, 5)
            day += int(rng.integers(0, 3))
            rows.append([user, int(film), round(2 * stars) / 2, int(start + 86_400 * day)])
    return {"titles": titles, "genres": genres, "descriptions": about, "ratings": rows}


def main():
    for name, made in (("news", news()), ("ratings", ratings())):
        parts = ",\n".join(
            f'"{key}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
            for key, rows in made.items()
        )
        with runtime.atomic_write(FOLDER / f"{name}.json") as part:
            part.write_text("{" + parts + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
