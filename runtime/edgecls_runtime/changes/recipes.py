"""The ``[recipes.NAME]`` tables of a station file: what differs from product to product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecls.bundle import Bundle
from edgecls.errors import ConfigError
from edgecls_runtime.decision.rule import Rule
from edgecls_runtime.views.settings import View


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one product is judged; None is as the top of the file says.

    Attributes:
        rule: When a part passes.
        bundle: Path of the bundle.
        views: Where to look in each frame.
        frame_px: Width and height of the frames that its views are measured in, px.

    """

    rule: Rule | None = None
    bundle: Path | None = None
    views: tuple[View, ...] | None = None
    frame_px: tuple[int, int] | None = None


def check(recipes: Mapping[str, Recipe], chosen: str) -> None:
    """Raise ConfigError where no recipe is chosen, or one that is not there."""
    if recipes and not chosen:
        raise ConfigError(
            f"recipe: not given; expected the name of one of [recipes]: {', '.join(recipes)}"
        )
    if chosen:
        found(recipes, chosen)
    if "" in recipes:
        raise ConfigError('recipes."": a recipe without a name; expected [recipes.NAME]')


def found(recipes: Mapping[str, Recipe], name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        ConfigError: There is none of that name.

    """
    if name not in recipes:
        known = ", ".join(recipes) or "none"
        raise ConfigError(f"recipe: {name!r} is no recipe of the file; its recipes are {known}")
    return recipes[name]


def check_labels(
    recipes: Mapping[str, Recipe], opened: Callable[[Path], Bundle] = Bundle.open
) -> None:
    """Raise ConfigError for a recipe with a label that its bundle does not know.

    Args:
        recipes: Each with its rule and bundle.
        opened: Opens a bundle.

    Raises:
        BundleError: One of the bundles is damaged.

    """
    bundles: dict[Path, Bundle] = {}
    for name, recipe in recipes.items():
        if recipe.rule is None or recipe.bundle is None:
            continue
        bundle = bundles.get(recipe.bundle) or opened(recipe.bundle)
        bundles[recipe.bundle] = bundle
        recipe.rule.check(bundle.labels, f"recipes.{name}.rule")
