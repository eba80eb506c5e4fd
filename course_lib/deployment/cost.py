"""What serving costs."""


def cost_per_thousand(price_per_hour, requests_per_second, utilisation=1.0):
    """What a thousand requests cost on a machine that is paid by the hour.

    Args:
        price_per_hour: Of the machine, in any currency.
        requests_per_second: What it can serve.
        utilisation: Share of that which it does serve on average, above 0 and at most 1.

    Returns:
        A float, in the currency of the price.

    Raises:
        ValueError: If a number is out of range.
    """
    if price_per_hour < 0 or requests_per_second <= 0 or not 0 < utilisation <= 1:
        raise ValueError(
            "The price must not be negative, requests positive, utilisation in (0, 1]. Received: "
            f"{price_per_hour}, {requests_per_second}, {utilisation}"
        )
    return 1000 * price_per_hour / (3600 * requests_per_second * utilisation)
