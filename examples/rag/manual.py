"""The manual of the Aurora One, an espresso machine that does not exist."""

from __future__ import annotations

MANUAL = (
    "Warranty. The Aurora One has a warranty of two years from the day of purchase, five years on "
    "the boiler. Keep the invoice. The warranty ends if the machine was opened by anybody but a "
    "service partner, or ran without a water filter where the water is harder than 14 dH. Gaskets, "
    "filters and the drip tray wear out and are not part of it.",
    "First use. Rinse the tank, fill it with cold water up to the mark and switch the machine on. "
    "When the light stops blinking, let two cups of water run through the group head and one "
    "through the steam wand. The first coffee after that may taste of metal: pour it away. The "
    "machine is then ready for daily use.",
    "Descaling. Descale when the orange light is on, about every three months. Dissolve one sachet "
    "of descaler in a litre of water, pour it into the tank, hold both cup buttons for five "
    "seconds and place a bowl below the group head. The programme runs for 25 minutes and must not "
    "be interrupted. Never use vinegar: it attacks the boiler's seals.",
    "Grinder. The built-in grinder has 30 steps. Turn the ring only while it is grinding. Finer "
    "beans give a slower, stronger espresso; a double shot should take 25 to 30 seconds. If the "
    "grinder is blocked, empty the hopper, vacuum the burrs and turn the ring to 30 before you "
    "start it again.",
    "Steam and milk. Let the steam wand blow out its water before you dip it into the milk. Hold "
    "the tip just below the surface until the milk has grown by a third, then deeper until the jug "
    "is too hot to touch. Wipe the wand at once and let out a little steam: dried milk blocks the "
    "nozzle.",
    "Cleaning. Empty the drip tray every evening and wash it by hand, not in the dishwasher. Once "
    "a week clean the group head with the blind filter and one gram of cleaning powder. The water "
    "tank and the milk jug may go into the upper rack of the dishwasher. Use no scouring agents on "
    "the steel.",
    "Water. Use fresh drinking water. A filter cartridge sits below the tank and lasts for two "
    "months or 50 litres. Turn its ring to the hardness of your water, which the supplier tells. "
    "Distilled water is not allowed: the level sensor does not see it, and the pump runs dry.",
    "Error codes. E1: the tank is empty or not in place. E2: the temperature sensor is broken, "
    "call the service. E3: the pump finds no water, usually air in the hose: run the steam wand "
    "for ten seconds. E4: the drip tray is full or missing. E5: the descaling was interrupted; "
    "start it again from the beginning.",
    "Energy. The Aurora One draws 1,450 watts while it heats and 60 watts while it keeps warm. "
    "After 30 minutes without use it goes to sleep and draws 0.4 watts. Hold the power button for "
    "three seconds to choose between 30, 60 and 120 minutes. Heating up from cold takes four "
    "minutes.",
    "Delivery and returns. Orders leave the warehouse within two working days and take three to "
    "five days on the road. A machine can be sent back within 30 days, used or not, in its own "
    "box; the label for the parcel is on your account page. The money is back on the card at most "
    "ten days after the parcel has arrived.",
    "Spare parts. Gaskets, baskets, the tank and the drip tray can be ordered for ten years after "
    "the last machine was built. The part number is on the underside of each part. Gaskets are "
    "changed with the tool in the accessory box, once a year or when water runs down beside the "
    "portafilter.",
    "Safety. Never take off the portafilter while coffee is running: it is under a pressure of "
    "nine bar. The group head and the steam wand are hot. Pull the plug before you clean inside, "
    "keep the cable off the cup warmer, and let children under eight years use the machine only "
    "under supervision.",
)
"""One passage for each subject."""
